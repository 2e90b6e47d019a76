#!/bin/sh
set -e
for template in /etc/nginx/templates/*.template; do
  [ -e "$template" ] || continue
  sed "s/\${NGINX_PORT}/${NGINX_PORT:-80}/" "$template" > "/etc/nginx/conf.d/$(basename "$template" .template)"
done
exec "$@"
