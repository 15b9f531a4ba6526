FROM scratch
COPY --from=localhost/base /etc/passwd /etc/group /etc/
