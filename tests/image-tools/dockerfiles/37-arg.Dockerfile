FROM localhost/base
ARG WHO=world
ARG EMPTY
ARG GIVEN=unset
RUN echo "hello $WHO [$EMPTY] $GIVEN" >/out
LABEL who=$WHO
#: --build-arg GIVEN=given
