FROM localhost/base
COPY links /links/
