# Checks of the sources themselves: include rules, format, sizes. Scripts, so that they also run by hand.
foreach(check includes format sizes)
  add_test(NAME check_${check} COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/check_${check}" "${CMAKE_SOURCE_DIR}")
  set_tests_properties(check_${check} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)
endforeach()

# The tutorial's commands, run as its reader would, and their output compared.
add_test(NAME check_tutorial COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/check_tutorial"
  "${CMAKE_SOURCE_DIR}/docs/tutorial.md" "$<TARGET_FILE:rdusim>")
set_tests_properties(check_tutorial PROPERTIES TIMEOUT 300)

# The pages in a real browser; skipped where there is none.
add_test(NAME check_pages COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/check_pages" "$<TARGET_FILE:rdusim>")
# The longest, so it is begun first.
set_tests_properties(check_pages PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600 COST 1000)

# The reference pages are what the code says; the site builds (skipped where there is no mkdocs).
add_test(NAME check_reference COMMAND rdusim reference --check "${CMAKE_SOURCE_DIR}/docs/reference")
add_test(NAME check_site COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/check_site" "${CMAKE_SOURCE_DIR}")
set_tests_properties(check_site PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)
