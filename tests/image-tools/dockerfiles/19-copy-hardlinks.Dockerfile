FROM localhost/base
COPY hard /hard/
