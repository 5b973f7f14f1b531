# Checks of the sources themselves: include rules, format, sizes. Scripts, so that they also run by hand.
foreach(check includes format sizes)
  add_test(NAME check_${check} COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/check_${check}" "${CMAKE_SOURCE_DIR}")
  set_tests_properties(check_${check} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)
endforeach()
