#!/bin/sh
# The gate that the official image has before everything else; who runs a tool directly goes around it, there and here.
if [ "${NEO4J_ACCEPT_LICENSE_AGREEMENT:-no}" != yes ]; then
  echo 'The licence is not accepted: NEO4J_ACCEPT_LICENSE_AGREEMENT is not "yes".' >&2
  exit 1
fi
exec "$@"
