FROM localhost/base
COPY --from=second file /from-second
#: --build-context second=@SECOND@
