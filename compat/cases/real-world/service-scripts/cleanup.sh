#!/bin/bash
set -e
rm -rf /bd_build
rm -rf /tmp/* /var/tmp/*
rm -f /etc/dpkg/dpkg.cfg.d/02apt-speedup
