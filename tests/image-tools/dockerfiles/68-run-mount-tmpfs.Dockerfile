FROM localhost/base
RUN --mount=type=tmpfs,target=/t echo x >/t/x && echo done >/done
