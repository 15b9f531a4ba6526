FROM localhost/base
ENV A=1 B="two words" C=it\'s D='single $A'
ENV E=$A-${B} F=${NONE:-default} G=${A:+set} H="${NONE}"
RUN echo "$A|$B|$C|$D|$E|$F|$G|$H" >/env
