dnl shim: library checks of this room.
OCI_LIBRARY([PROTOBUF_C], [libprotobuf-c], [protobuf-c])
AC_CHECK_PROGS([PROTOC_C], [protoc-c])
AS_IF([test "x$PROTOC_C" = x], [AC_MSG_ERROR([protoc-c is missing: install protobuf-c-compiler])])
