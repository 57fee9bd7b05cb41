# The image of the operator and of its agent: Node and one file per program, nothing else. No shell, no package manager.
#
#   docker build -t neo4j-backup-operator .        (podman and buildah take the same)
#
# Arguments: BASE_IMAGE gives the Node that is shipped (any Node 24 on glibc), BUILD_IMAGE the Node and npm that build.
# Where npm needs settings of its own, such as a mirror or a token: --secret id=npmrc,src=$HOME/.npmrc. No layer keeps it.
ARG BASE_IMAGE=node:24-slim
ARG BUILD_IMAGE=node:24-slim

# --- the bundles. They are the same for every architecture, so this stage runs on the builder's own.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Without the packages' own scripts: nothing that is bundled needs one.
RUN --mount=type=secret,id=npmrc --mount=type=cache,target=/root/.npm \
    NPM_CONFIG_USERCONFIG=/run/secrets/npmrc npm ci --ignore-scripts --no-audit --no-fund
COPY LICENSE ./
COPY tools tools
COPY src src
# Who builds may have a strict umask; who runs is somebody else. The time of a file must not make another image of it.
RUN node tools/bundle.ts && \
    cp LICENSE dist/ && \
    chmod -R u=rwX,go=rX dist && \
    find dist -exec touch -h -d @0 {} +

# --- Node alone: its binary, what the loader will look for, and their licenses.
FROM ${BASE_IMAGE} AS node
RUN set -eu; \
    umask 022; \
    mkdir -p /rootfs/usr/bin /rootfs/etc /rootfs/licenses; \
    node=$(command -v node); \
    cp -L "$node" /rootfs/usr/bin/node; \
    ldd "$node" | sed -nE 's/^[[:space:]]*([^[:space:]]+ => )?(\/[^[:space:]]+) \(0x.*/\2/p' > /tmp/libraries; \
    while read -r library; do \
      mkdir -p "/rootfs${library%/*}"; \
      cp -L "$library" "/rootfs$library"; \
    done < /tmp/libraries; \
    # Node has certificate authorities of its own; these are for NODE_OPTIONS=--use-system-ca.
    if [ -f /etc/ssl/certs/ca-certificates.crt ]; then \
      mkdir -p /rootfs/etc/ssl/certs; \
      cp -L /etc/ssl/certs/ca-certificates.crt /rootfs/etc/ssl/certs/; \
    fi; \
    for name in node:/usr/local/LICENSE libc6:/usr/share/doc/libc6/copyright libstdc++6:/usr/share/doc/libstdc++6/copyright; do \
      if [ -f "${name#*:}" ]; then cp -L "${name#*:}" "/rootfs/licenses/${name%%:*}"; fi; \
    done; \
    echo 'root:x:0:0:root:/:/sbin/nologin' > /rootfs/etc/passwd; \
    echo 'nonroot:x:65532:65532:nonroot:/app:/sbin/nologin' >> /rootfs/etc/passwd; \
    printf 'root:x:0:\nnonroot:x:65532:\n' > /rootfs/etc/group; \
    echo 'hosts: files dns' > /rootfs/etc/nsswitch.conf; \
    # What is missing is found here, not on somebody's cluster.
    chroot /rootfs /usr/bin/node --version; \
    find /rootfs -exec touch -h -d @0 {} +; \
    install -d -m 1777 /rootfs/tmp; \
    touch -d @0 /rootfs/tmp /rootfs

# --- what is shipped
FROM scratch
COPY --from=node /rootfs/ /
COPY --from=build /build/dist/ /app/
ENV PATH=/usr/bin
WORKDIR /app
# A number, so that runAsNonRoot can be judged from it. Any other user works as well: nothing here is written to.
USER 65532:65532
# What the flags are for: tools/bundle.ts.
ENTRYPOINT ["node", "--optimize-for-size", "--wasm-tiering-budget=1000000000", "/app/main.js"]
ARG BASE_IMAGE
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="neo4j-backup-operator" \
      org.opencontainers.image.description="Declarative online backups for any Neo4j on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
