package faulttest

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// CommitCutter stands between the program and PostgreSQL and cuts connections exactly at a COMMIT: before the server gets it, or when the
// server has answered it and the program has not got the answer. It understands as much of the protocol as that takes.
type CommitCutter struct {
	// Commits counts those that were seen, Cuts those that were cut.
	Commits, Cuts atomic.Int64

	tb       testing.TB
	listener net.Listener
	upstream string
	// every n-th commit is cut, and stays cut if down: then nobody is let through until Restore.
	every  atomic.Int64
	down   atomic.Bool
	closed atomic.Bool
	mu     sync.Mutex
	conns  map[net.Conn]bool
}

// NewCommitCutter starts one before the server of a URL, and returns the URL that leads through it. It cuts nothing yet.
func NewCommitCutter(tb testing.TB, upstreamURL string) (c *CommitCutter, proxied string) {
	tb.Helper()
	u, err := url.Parse(upstreamURL)
	if err != nil {
		tb.Fatal(err)
	}
	c = &CommitCutter{tb: tb, upstream: u.Host, conns: map[net.Conn]bool{}}
	if c.listener, err = new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0"); err != nil {
		tb.Fatal(err)
	}
	go c.accept(context.WithoutCancel(tb.Context()))
	tb.Cleanup(func() {
		c.closed.Store(true)
		_ = c.listener.Close()
		c.cutAll()
	})
	u.Host = c.listener.Addr().String()
	return c, u.String()
}

// CutEvery has every n-th commit cut, in turn before and after the server has it; 0 lets all through.
func (c *CommitCutter) CutEvery(n int) { c.every.Store(int64(n)) }

// StayDown has nobody let through after the next cut, until Restore.
func (c *CommitCutter) StayDown() { c.down.Store(true) }

// Restore lets all through again.
func (c *CommitCutter) Restore() {
	c.every.Store(0)
	c.down.Store(false)
}

// refusing tells whether nobody is let through.
func (c *CommitCutter) refusing() bool {
	return c.closed.Load() || (c.down.Load() && c.Cuts.Load() > 0)
}

func (c *CommitCutter) accept(ctx context.Context) {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(ctx, "tcp", c.upstream)
		if err != nil || c.refusing() || !c.keep(client, server) {
			_ = client.Close()
			if server != nil {
				_ = server.Close()
			}
			continue
		}
		l := &link{cutter: c, client: client, server: server}
		go l.forward()
		go l.backward()
	}
}

func (c *CommitCutter) keep(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		c.conns[conn] = true
	}
	return !c.closed.Load()
}

func (c *CommitCutter) cutAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.Close()
		delete(c.conns, conn)
	}
}

// link is one connection.
type link struct {
	cutter         *CommitCutter
	client, server net.Conn
	// swallow says that the answer to a commit is awaited, and that nothing of it is to be passed on.
	swallow atomic.Bool
}

func (l *link) cut() {
	l.cutter.Cuts.Add(1)
	l.close()
	if l.cutter.down.Load() {
		l.cutter.cutAll()
	}
}

func (l *link) close() {
	_ = l.client.Close()
	_ = l.server.Close()
}

// forward passes on messages of the program, and looks for commits among them.
func (l *link) forward() {
	defer l.close()
	if message, err := untyped(l.client); err != nil || write(l.server, message) != nil {
		return
	}
	for {
		message, err := typed(l.client)
		if err != nil {
			return
		}
		if isCommit(message) && l.decide() {
			l.cut()
			return
		}
		if write(l.server, message) != nil {
			return
		}
	}
}

// decide tells whether the commit is to be cut before the server has it.
func (l *link) decide() bool {
	n, every := l.cutter.Commits.Add(1), l.cutter.every.Load()
	if every == 0 || n%every != 0 {
		return false
	}
	before := n/every%2 == 0
	l.swallow.Store(!before)
	return before
}

// backward passes on what the server says.
func (l *link) backward() {
	defer l.close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(buffer)
		if l.swallow.Load() {
			l.cut()
			return
		}
		if err != nil || write(l.client, buffer[:n]) != nil {
			return
		}
	}
}

func write(w io.Writer, message []byte) error {
	_, err := w.Write(message)
	return err
}

// untyped reads a message without a type: the first one of a connection.
func untyped(r io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	return rest(r, head, head)
}

func typed(r io.Reader) ([]byte, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	return rest(r, head, head[1:])
}

func rest(r io.Reader, head, length []byte) ([]byte, error) {
	body := make([]byte, max(4, binary.BigEndian.Uint32(length))-4)
	_, err := io.ReadFull(r, body)
	return append(head, body...), err
}

// isCommit knows the simple query that ends a transaction.
func isCommit(message []byte) bool {
	return message[0] == 'Q' && strings.EqualFold(strings.TrimRight(string(message[5:]), "\x00; \n"), "commit")
}
