FROM localhost/base AS parent
ONBUILD RUN echo fired >/fired
ONBUILD ENV FIRED=yes
ONBUILD COPY plain.txt /onbuild/
FROM parent
RUN echo child >/child
