package main

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orgbridge/orgbridge/internal/config"
)

func TestConnectionsOfSilentClientsAreGivenUp(t *testing.T) {
	t.Parallel()
	listener, err := listen(t.Context(), config.Addr, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialer := net.Dialer{}
	client, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	tcp, ok := server.(*net.TCPConn)
	if !ok {
		t.Fatalf("%T", server)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var limit int
	if err := raw.Control(func(fd uintptr) { limit, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) }); err != nil {
		t.Fatal(err)
	}
	if err != nil || int64(limit) != unanswered.Milliseconds() {
		t.Errorf("%d ms, %v", limit, err)
	}
}
