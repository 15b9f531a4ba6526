FROM localhost/base
RUN echo a >/x && \
    # a comment inside
    echo b >>/x && \

    echo c >>/x
RUN echo 'single \
quoted' >/y
