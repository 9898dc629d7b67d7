# Gives the shared library in FOLDER the name by which programs ask for it at run time.
if(EXISTS "${FOLDER}/libstoq.so")
  file(CREATE_LINK libstoq.so "${FOLDER}/libstoq.so.${ABI}" SYMBOLIC)
elseif(EXISTS "${FOLDER}/libstoq.dylib")
  file(CREATE_LINK libstoq.dylib "${FOLDER}/libstoq.${ABI}.dylib" SYMBOLIC)
endif()
