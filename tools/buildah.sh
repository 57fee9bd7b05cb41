#!/bin/sh
# Builds one image on one base image: buildah.sh STORE BASE.tar OUT.tar REF [flags of `buildah build`]
# One at a time (a lock). Its processes and mounts end with it, however it ends. The store keeps layers for the next build.
set -eu
if [ "${1-}" != --inside ]; then
  mkdir -p "$1"
  exec flock --no-fork "$1.lock" unshare --mount --pid --fork --kill-child --mount-proc "$0" --inside "$@"
fi
shift
store=$1 base=$2 out=$3 ref=$4
shift 4

# A full store starts anew: 4096 MiB hold a handful of what npm installs.
if [ "$(du -sm "$store" | cut -f1)" -gt 4096 ]; then rm -rf "$store"; fi

# What buildah believes to be mounted was, in a build before this one: it is not any more.
rm -rf "$store/state"
export TMPDIR="$store/tmp" BUILDAH_ISOLATION=chroot
mkdir -p "$TMPDIR"

in_store() {
  command=$1
  shift
  buildah --root "$store/$driver" --runroot "$store/state" --storage-driver "$driver" "$command" "$@"
}

# Where the folder is on an overlay itself, as in a container, only copies work: 5 GB of them, would each step be kept.
driver=overlay layers=true
if ! in_store info > /dev/null 2>&1; then
  driver=vfs layers=false
fi

# The path of the archive says what is in it.
if [ "$(cat "$store/base" 2> /dev/null)" != "$base" ]; then
  in_store pull --quiet "oci-archive:$base" > /dev/null
  printf %s "$base" > "$store/base"
fi
in_store build --pull-never "--layers=$layers" --tag "$ref" "$@"
in_store push --quiet "$ref" "oci-archive:$out:$ref"
