# The operator's image: one process, no shell, no package manager, a numeric user that is not root.
#
# `make image` builds it without any registry: it makes dist/image/app.tar (the bundled operator) and a base of libc,
# libstdc++ and Node. With a registry at hand, any image that has Node 24 on its PATH can be the base:
#   docker build --build-arg BASE=node:24-bookworm-slim --file Dockerfile dist/image
ARG BASE
FROM ${BASE}
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="quorate" \
      org.opencontainers.image.description="A Kubernetes operator that runs etcd clusters as custom resources" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
ADD app.tar /
# Memory goes back to the system as soon as it is free: by default glibc keeps it, in an arena for each thread, and the
# young generation of the heap grows to 16 MB with the first burst of work.
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NODE_ENV=production \
    MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=32768 MALLOC_TRIM_THRESHOLD_=65536
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["node", "--max-semi-space-size=1", "/app/quorate.mjs"]
CMD ["operator"]
