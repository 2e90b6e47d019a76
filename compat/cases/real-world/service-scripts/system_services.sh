#!/bin/bash
set -e
mkdir -p /etc/service/cron && install -m 0755 /bd_build/services/cron.runit /etc/service/cron/run
cp /bd_build/services/my_init /sbin/
