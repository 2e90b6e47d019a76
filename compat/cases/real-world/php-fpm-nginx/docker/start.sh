#!/bin/sh
php-fpm8.2 --daemonize
exec nginx -g "daemon off;"
