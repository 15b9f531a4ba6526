FROM localhost/base
ARG V=arg
ENV V=env
RUN echo $V >/v
ARG W
ENV W=${W:-fallback}
#: --build-arg V=given
