# The targets of stoq, for an installed copy (stoqConfig.cmake) and for add_subdirectory (CMakeLists.txt):
#   stoq::shared, stoq::static   either library
#   stoq::stoq                   one of them: the static one if STOQ_STATIC is on
# The includer sets STOQ_INCLUDE_DIR and STOQ_LIBRARY_DIR.

if(TARGET stoq::stoq)
  return()
endif()

if(WIN32)
  set(_stoq_shared stoq.dll)
  set(_stoq_static stoq.lib)
elseif(APPLE)
  set(_stoq_shared libstoq.dylib)
  set(_stoq_static libstoq.a)
else()
  set(_stoq_shared libstoq.so)
  set(_stoq_static libstoq.a)
endif()

add_library(stoq::shared SHARED IMPORTED GLOBAL)
set_target_properties(stoq::shared PROPERTIES
  IMPORTED_LOCATION "${STOQ_LIBRARY_DIR}/${_stoq_shared}"
  INTERFACE_INCLUDE_DIRECTORIES "${STOQ_INCLUDE_DIR}")
if(WIN32)
  set_target_properties(stoq::shared PROPERTIES IMPORTED_IMPLIB "${STOQ_LIBRARY_DIR}/stoq.dll.lib")
elseif(NOT APPLE)
  # Without it CMake would write the path into programs, and not the name with the number of the ABI.
  set_target_properties(stoq::shared PROPERTIES IMPORTED_SONAME "libstoq.so.${STOQ_ABI}")
endif()

add_library(stoq::static STATIC IMPORTED GLOBAL)
set_target_properties(stoq::static PROPERTIES
  IMPORTED_LOCATION "${STOQ_LIBRARY_DIR}/${_stoq_static}"
  INTERFACE_INCLUDE_DIRECTORIES "${STOQ_INCLUDE_DIR}")
# What rustc --print native-static-libs says that the library needs.
if(WIN32)
  set_target_properties(stoq::static PROPERTIES INTERFACE_LINK_LIBRARIES "kernel32;ntdll;userenv;ws2_32;dbghelp")
elseif(APPLE)
  set_target_properties(stoq::static PROPERTIES INTERFACE_LINK_LIBRARIES "iconv;System;c;m")
else()
  set_target_properties(stoq::static PROPERTIES INTERFACE_LINK_LIBRARIES "gcc_s;util;rt;pthread;m;dl")
endif()

add_library(stoq::stoq INTERFACE IMPORTED GLOBAL)
if(STOQ_STATIC)
  set_target_properties(stoq::stoq PROPERTIES INTERFACE_LINK_LIBRARIES stoq::static)
else()
  set_target_properties(stoq::stoq PROPERTIES INTERFACE_LINK_LIBRARIES stoq::shared)
endif()
