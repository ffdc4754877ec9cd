# cmake --install build/release --prefix /usr: the program, its unit, its documents, and completions printed by the program itself.
include(GNUInstallDirs)

install(TARGETS rootstock RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES data/rootstock.service DESTINATION lib/systemd/system)
install(FILES data/rootstock.sysusers DESTINATION lib/sysusers.d RENAME rootstock.conf)
install(FILES LICENSE NOTICE THIRD-PARTY.md README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES data/rootstock.example.toml DESTINATION ${CMAKE_INSTALL_DOCDIR}/data)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(CODE "
    foreach(shell bash zsh fish)
        execute_process(COMMAND \"$<TARGET_FILE:rootstock>\" completion \${shell} COMMAND_ERROR_IS_FATAL ANY
            OUTPUT_FILE \"${CMAKE_BINARY_DIR}/completion.\${shell}\")
    endforeach()")
install(FILES ${CMAKE_BINARY_DIR}/completion.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME rootstock)
install(FILES ${CMAKE_BINARY_DIR}/completion.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions RENAME _rootstock)
install(FILES ${CMAKE_BINARY_DIR}/completion.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d RENAME rootstock.fish)
