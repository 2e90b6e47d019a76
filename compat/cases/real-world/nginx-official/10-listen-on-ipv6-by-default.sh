echo ipv6
