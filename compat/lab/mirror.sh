#!/bin/bash
# Prints the Debian mirror that this machine's apt is set up with, for mmdebstrap; nothing where there is none.
set -euo pipefail
apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
  awk -F'|' '$1 == "Debian" && $2 == "Debian" && $3 == "main" { print $4; exit }'
