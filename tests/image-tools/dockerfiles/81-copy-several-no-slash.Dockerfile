FROM localhost/base
COPY dir links /x
