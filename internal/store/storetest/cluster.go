package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	errNoBinaries = errors.New("no PostgreSQL on this machine")
	errEnded      = errors.New("the server ended by itself")
)

const clusterPrefix = "orgbridge-test-postgres-"

// cluster is a throw-away PostgreSQL that runs as a child of the test process and dies with it.
type cluster struct {
	dir    string
	bin    string
	port   int
	user   *syscall.Credential // nil means our own
	url    string
	cancel func()        // ends the server at once
	done   chan struct{} // closed when the server has ended
	exit   error         // why; read it after done
	// settings come after ours, and so before them.
	settings []string
	// under is the program, with its arguments, that runs the server as its child; empty for none.
	under []string
}

// startCluster starts a server whose files are in a new directory within dir, the system's own for temporary files if that is empty.
func startCluster(dir string, settings ...string) (*cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	removeLeftovers()
	// PostgreSQL refuses to run as root, and its user must be able to enter the directory.
	dir, err = os.MkdirTemp(dir, clusterPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, bin: bin, settings: settings}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return c, nil
}

func (c *cluster) start() (err error) {
	if c.user, err = ordinaryUser(c.dir); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	initdb := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), "--pgdata="+c.data(), "--username=postgres", "--auth=trust", "--encoding=UTF8",
		"--locale=C", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr = c.dir, &syscall.SysProcAttr{Credential: c.user}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return c.runOnFreePort()
}

// runOnFreePort tries another port when somebody else takes the free one before the server does.
func (c *cluster) runOnFreePort() (err error) {
	for range 5 {
		if c.port, err = freePort(context.Background()); err != nil {
			return err
		}
		c.url = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", c.port)
		if err = c.run(); !errors.Is(err, errEnded) {
			return err
		}
	}
	return err
}

// run starts the server and waits until it answers.
func (c *cluster) run() error {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.done = cancel, make(chan struct{})
	command := append(slices.Clone(c.under), filepath.Join(c.bin, "postgres"), "-D", c.data(), "-p", strconv.Itoa(c.port))
	for _, setting := range append([]string{
		"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=400", "fsync=off", "full_page_writes=off",
		"shared_buffers=64MB", "autovacuum=off",
	}, c.settings...) {
		command = append(command, "-c", setting)
	}
	postgres := exec.CommandContext(ctx, command[0], command[1:]...)
	var output bytes.Buffer
	postgres.Dir, postgres.Stdout, postgres.Stderr = c.dir, &output, &output
	postgres.SysProcAttr = dieWithParent(c.user)
	postgres.Cancel = func() error { return postgres.Process.Signal(syscall.SIGQUIT) }
	postgres.WaitDelay = 5 * time.Second
	started, done := make(chan error, 1), c.done
	go func() {
		// The signal at the parent's death is tied to the thread that started the child, so that thread is kept.
		runtime.LockOSThread()
		err := postgres.Start()
		started <- err
		if err == nil {
			c.exit = postgres.Wait()
			close(done)
		}
	}()
	if err := <-started; err != nil {
		cancel()
		return err
	}
	if err := c.await(); err != nil {
		cancel()
		<-c.done
		return fmt.Errorf("postgres does not answer: %w: %s", err, output.String())
	}
	return nil
}

func (c *cluster) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.done:
			return fmt.Errorf("%w: %w", errEnded, c.exit)
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// answers tells whether this very server is there: the one behind its port may be another one that took it first.
func (c *cluster) answers(ctx context.Context) (err error) {
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var data string
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&data); err != nil {
		return err
	}
	if data != c.data() {
		return fmt.Errorf("the server of %s is on this port", data)
	}
	return nil
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *cluster) stop() error {
	c.cancel()
	<-c.done
	return os.RemoveAll(c.dir)
}

// binaries finds the directory of initdb and postgres, the newest version if there are several.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errNoBinaries
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // a strange directory comes last
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// ordinaryUser returns the user to run as, and gives it the directory; nil when we are not root.
func ordinaryUser(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // no credential means our own
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("unexpected address %v", l.Addr())
	}
	return addr.Port, l.Close()
}

// removeLeftovers removes the directories of test processes that died.
func removeLeftovers() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), clusterPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), clusterPrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir) // another process may be at it as well
		}
	}
}
