FROM localhost/base
RUN --mount=type=secret,id=s cat /run/secrets/s >/copied
#: --secret id=s,src=@SECRET@
