# The operator's image: one process, no shell, no package manager, a numeric user that is not root.
# `make image` assembles the two archives in dist/image (libc, libstdc++ and Node; the bundled operator) and builds this
# without any registry: DOCKER_BUILDKIT=0 docker build -f Dockerfile dist/image
FROM scratch
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="quorate" \
      org.opencontainers.image.description="A Kubernetes operator that runs etcd clusters as custom resources" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# First what seldom changes: a rebuilt operator is one small layer.
ADD base.tar /
ADD app.tar /
ENV NODE_ENV=production
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["/usr/bin/node", "/app/quorate.mjs"]
CMD ["operator"]
