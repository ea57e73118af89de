//go:build !linux

package storetest

import "syscall"

// dieWithParent cannot do so on this system: use Main, which stops the child.
func dieWithParent(credential *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: credential, Setpgid: true}
}
