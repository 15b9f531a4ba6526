dnl image-tools: library checks of this room.
PKG_CHECK_MODULES([CURL], [libcurl >= 7.85])
PKG_CHECK_MODULES([CRYPTO], [libcrypto])
PKG_CHECK_MODULES([ARCHIVE], [libarchive])
PKG_CHECK_MODULES([ZLIB], [zlib])
PKG_CHECK_MODULES([ZSTD], [libzstd >= 1.4])
AC_ARG_WITH([isal],
	[AS_HELP_STRING([--without-isal], [decompress gzip with zlib even where isa-l is installed])],
	[], [with_isal=auto])
AS_IF([test "x$with_isal" != xno], [
	PKG_CHECK_MODULES([ISAL], [libisal], [
		AC_DEFINE([HAVE_ISAL], [1], [decompress gzip with isa-l])
		with_isal=yes], [
		AS_IF([test "x$with_isal" = xyes], [AC_MSG_ERROR([libisal not found])])
		with_isal=no])])
AC_MSG_NOTICE([oci-image: isa-l $with_isal])
