# The operator's image: one process, no shell, no package manager, a numeric user that is not root.
#
# `make image` builds it without any registry: it makes dist/image/app.tar (the bundled operator) and a base of libc,
# libstdc++, jemalloc and Node. With a registry at hand, any image that has Node 24 on its PATH can be the base:
#   docker build --build-arg BASE=node:24-bookworm-slim --file Dockerfile dist/image
ARG BASE
FROM ${BASE}
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="quorate" \
      org.opencontainers.image.description="A Kubernetes operator that runs etcd clusters as custom resources" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
ADD app.tar /
# Memory goes back to the system as soon as it is free: the base loads jemalloc, whose settings these are, and the young
# generation of the heap must not grow to 16 MB with the first burst of work.
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NODE_ENV=production \
    MALLOC_CONF=narenas:1,tcache:false,dirty_decay_ms:100,muzzy_decay_ms:0
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["node", "--expose-gc", "--max-semi-space-size=1", "/app/quorate.mjs"]
CMD ["operator"]
