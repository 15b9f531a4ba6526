FROM localhost/base
ARG DIR=dir
ENV TO=/expanded
COPY ${DIR}/a.txt $TO/
ADD $DIR ${TO}/sub/
WORKDIR ${TO}/w
USER ${NOBODY:-www}
EXPOSE ${PORT:-8080}/udp
