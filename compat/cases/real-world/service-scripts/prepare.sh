#!/bin/bash
set -e
source /bd_build/buildconfig
mkdir -p /etc/container_environment && echo -n no > /etc/container_environment/INITRD
ln -s /etc/container_environment /env
