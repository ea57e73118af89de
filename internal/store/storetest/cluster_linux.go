package storetest

import "syscall"

// dieWithParent makes the child stop at once when the test process dies, however it does.
func dieWithParent(credential *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: credential, Pdeathsig: syscall.SIGQUIT, Setpgid: true}
}
