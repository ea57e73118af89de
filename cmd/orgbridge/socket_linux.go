package main

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unanswered is how long what is sent to a client may stay without a sign that it came. By itself Linux waits for about a quarter of an
// hour, in which a client that went away without a word would keep its streams.
const unanswered = 30 * time.Second

// giveUpOnSilence sets that limit for all connections of a listener.
func giveUpOnSilence(_, _ string, listener syscall.RawConn) error {
	var failed error
	err := listener.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unanswered.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
