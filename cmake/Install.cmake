# SPDX-License-Identifier: Apache-2.0
# Two layouts. `cmake --install` fills PREFIX/{bin,lib,include}; a wheel (SKBUILD is set) holds the
# libraries in planish/lib, with those that a machine without Debian's packages lacks, and the command
# among its scripts.

set(planish_libraries planish_runtime_shared planish_shared)
set(planish_onednn_files "")
if(TARGET planish_onednn_shared)
  set(planish_onednn_files ${PLANISH_DNNL})
endif()

if(SKBUILD)
  install(TARGETS ${planish_libraries} LIBRARY DESTINATION planish/lib)
  foreach(library ${PLANISH_PROTOBUF_LITE} ${PLANISH_ZSTD})
    execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${library} OUTPUT_VARIABLE headers COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCH "SONAME +([^\n ]+)" unused "${headers}")
    get_filename_component(real ${library} REALPATH)
    install(FILES ${real} DESTINATION planish/lib RENAME ${CMAKE_MATCH_1})
  endforeach()
  if(planish_onednn_files)
    install(TARGETS planish_onednn_shared LIBRARY DESTINATION planish/lib)
    install(FILES ${planish_onednn_files} DESTINATION planish/lib)
    install(FILES ${PLANISH_DNNL_LICENSES} DESTINATION planish/lib/onednn-licences)
  endif()
  if(TARGET planish_cli)
    # From the scripts folder of a virtual environment, of a system-wide or user installation, and of
    # `pip install --target`.
    set(python_lib "lib/python${Python_VERSION_MAJOR}.${Python_VERSION_MINOR}")
    set_target_properties(planish_cli PROPERTIES BUILD_WITH_INSTALL_RPATH OFF BUILD_RPATH "$ORIGIN/../lib" INSTALL_RPATH
      "$ORIGIN/../${python_lib}/site-packages/planish/lib;$ORIGIN/../${python_lib}/dist-packages/planish/lib;$ORIGIN/../planish/lib")
    install(TARGETS planish_cli RUNTIME DESTINATION ${SKBUILD_SCRIPTS_DIR})
  endif()
  return()
endif()

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/planish)

install(TARGETS ${planish_libraries} EXPORT planishTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(planish_onednn_files)
  install(TARGETS planish_onednn_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES ${planish_onednn_files} DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES ${PLANISH_DNNL_LICENSES} DESTINATION share/doc/planish/onednn)
endif()
if(TARGET planish_cli)
  install(TARGETS planish_cli RUNTIME DESTINATION bin)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/planish DESTINATION include FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION share/doc/planish)

install(EXPORT planishTargets NAMESPACE planish:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/planishConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/planishConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/planishConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/planishConfig.cmake
              ${PROJECT_BINARY_DIR}/package/planishConfigVersion.cmake DESTINATION ${package_dir})

# The .pc files find the prefix from their own place, so the tree may be moved.
file(RELATIVE_PATH PLANISH_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
foreach(name planish planish-runtime)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/package/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/package/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
