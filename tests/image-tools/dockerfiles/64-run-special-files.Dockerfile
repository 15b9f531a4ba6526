FROM localhost/base
RUN mkfifo /fifo && ln -s /nowhere /dangling && touch /f && ln /f /g && chmod 6755 /f && chown 12:34 /dangling -h
