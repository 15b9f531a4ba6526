FROM localhost/base
COPY *.txt /t/
COPY dir/s?b/*.md /m/
COPY [a-p]*.txt /range/
