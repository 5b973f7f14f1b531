# Debian's libsystemc-dev ships no CMake package. Its library was built with the C++17 ABI, and SystemC guards
# that with a link-time symbol, so every user must define SC_CPLUSPLUS=201703L also when compiling as C++20.
find_path(SystemC_INCLUDE_DIR NAMES systemc.h sysc/kernel/sc_simcontext.h)
find_library(SystemC_LIBRARY NAMES systemc)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SystemC REQUIRED_VARS SystemC_LIBRARY SystemC_INCLUDE_DIR)
if(SystemC_FOUND AND NOT TARGET SystemC::systemc)
  add_library(SystemC::systemc UNKNOWN IMPORTED)
  set_target_properties(SystemC::systemc PROPERTIES
    IMPORTED_LOCATION "${SystemC_LIBRARY}"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${SystemC_INCLUDE_DIR}"
    INTERFACE_INCLUDE_DIRECTORIES "${SystemC_INCLUDE_DIR}"
    INTERFACE_COMPILE_DEFINITIONS "SC_CPLUSPLUS=201703L;SC_ALLOW_DEPRECATED_IEEE_API=0")
endif()
