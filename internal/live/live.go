// Package live has those who follow what happens in an account wait for it: until something may have changed, until it is time for a sign
// of life, or until the process ends.
package live

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
)

const (
	// DefaultHeartbeat is below the time after which proxies close a connection on which nothing happens.
	DefaultHeartbeat = 15 * time.Second
	// DefaultPatience is how long a client may take to read what it is sent.
	DefaultPatience = 15 * time.Second
	// DefaultPerCaller, DefaultPerAccount and DefaultInAll are how many streams a node has for one caller, for one account and for all.
	DefaultPerCaller  = 50
	DefaultPerAccount = 250
	DefaultInAll      = 1000
	// DefaultReaders is how many followers of a node may read at the same time: a part of its connections to the database, so that
	// the requests of others find some when much happens where many follow.
	DefaultReaders = 4

	// lookEvery is how often a follower looks by himself while he is told of changes, and lookOften while he is not.
	lookEvery = 10 * time.Second
	lookOften = time.Second

	// tryAgain is how long who is refused should wait.
	tryAgain = 10 * time.Second
)

// Source tells of changes.
type Source interface {
	// Watch returns a channel that is sent to when something of the account may have changed, until stop is called.
	Watch(accountID string) (changed <-chan struct{}, stop func())
	// Prompt tells whether watchers are told of changes at once.
	Prompt() bool
}

// Config is how a service works. What is left out is as the defaults say.
type Config struct {
	Source     Source
	Heartbeat  time.Duration
	Patience   time.Duration
	PerCaller  int
	PerAccount int
	InAll      int
	Readers    int
}

// Service admits followers, and ends them all.
type Service struct {
	c      Config
	closed chan struct{}
	// readers holds one for each follower who reads.
	readers chan struct{}

	mu        sync.Mutex
	byCaller  map[string]int
	byAccount map[string]int
	inAll     int
}

// NewService returns a service on the source.
func NewService(c Config) *Service {
	c.Heartbeat = cmp.Or(c.Heartbeat, DefaultHeartbeat)
	c.Patience = cmp.Or(c.Patience, DefaultPatience)
	c.PerCaller = cmp.Or(c.PerCaller, DefaultPerCaller)
	c.PerAccount = cmp.Or(c.PerAccount, DefaultPerAccount)
	c.InAll = cmp.Or(c.InAll, DefaultInAll)
	c.Readers = cmp.Or(c.Readers, DefaultReaders)
	return &Service{
		c: c, closed: make(chan struct{}), readers: make(chan struct{}, c.Readers), byCaller: map[string]int{}, byAccount: map[string]int{},
	}
}

// Close ends all followers, and admits no more. It is called once.
func (s *Service) Close() { close(s.closed) }

// Watch admits one who follows an account, until the watcher is closed. It answers [errs.QuotaExceeded] when the caller or the account has
// too many already, and [errs.Unavailable] when the process has, or is about to end.
func (s *Service) Watch(accountID, caller string) (*Watcher, error) {
	select {
	case <-s.closed:
		return nil, errs.New(errs.Unavailable, "This node is about to end. Follow on another one.")
	default:
	}
	if err := s.admit(accountID, caller); err != nil {
		return nil, err
	}
	changed, stop := s.c.Source.Watch(accountID)
	return &Watcher{service: s, accountID: accountID, caller: caller, changed: changed, stop: stop, beat: time.NewTicker(s.c.Heartbeat)}, nil
}

func (s *Service) admit(accountID, caller string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.byCaller[caller] >= s.c.PerCaller:
		return errs.New(errs.QuotaExceeded, "This token follows %d streams already, which is the most. Close one of them.", s.c.PerCaller).
			After(tryAgain)
	case s.byAccount[accountID] >= s.c.PerAccount:
		return errs.New(errs.QuotaExceeded, "The account follows %d streams of this node already, which is the most.", s.c.PerAccount).
			After(tryAgain)
	case s.inAll >= s.c.InAll:
		return errs.New(errs.Unavailable, "This node has as many streams as it can.").After(tryAgain)
	}
	s.byCaller[caller]++
	s.byAccount[accountID]++
	s.inAll++
	return nil
}

func (s *Service) leave(accountID, caller string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inAll--
	oneLess(s.byCaller, caller)
	oneLess(s.byAccount, accountID)
}

func oneLess(counts map[string]int, of string) {
	counts[of]--
	if counts[of] == 0 {
		delete(counts, of)
	}
}

// Following is how many follow at the moment.
func (s *Service) Following() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inAll
}

// Signal is what a follower has waited for.
type Signal int

const (
	// Ended says that nothing more is to come.
	Ended Signal = iota
	// Changed says that something may have changed.
	Changed
	// Heartbeat says that it is time for a sign of life.
	Heartbeat
)

// Watcher is one who follows.
type Watcher struct {
	service   *Service
	accountID string
	caller    string
	changed   <-chan struct{}
	stop      func()
	beat      *time.Ticker
}

// Patience is how long a client may take to read what it is sent.
func (w *Watcher) Patience() time.Duration { return w.service.c.Patience }

// Due tells whether it is time for a sign of life, for who does not wait. It tells so once.
func (w *Watcher) Due() bool {
	select {
	case <-w.beat.C:
		return true
	default:
		return false
	}
}

// Wait returns when there is something to do. It is [Ended] when ctx or the process ends.
func (w *Watcher) Wait(ctx context.Context) Signal {
	if w.Ended(ctx) {
		return Ended
	}
	every := lookOften
	if w.service.c.Source.Prompt() {
		every = lookEvery
	}
	look := time.NewTimer(every)
	defer look.Stop()
	select {
	case <-w.service.closed:
		return Ended
	case <-ctx.Done():
		return Ended
	case <-w.changed:
		return Changed
	case <-look.C:
		return Changed
	case <-w.beat.C:
		return Heartbeat
	}
}

// Read lets the follower read when it is his turn. It does not when ctx or the process ends before.
func (w *Watcher) Read(ctx context.Context, read func()) {
	select {
	case w.service.readers <- struct{}{}:
		defer func() { <-w.service.readers }()
		read()
	case <-ctx.Done():
	case <-w.service.closed:
	}
}

// Ended tells whether ctx or the process ends.
func (w *Watcher) Ended(ctx context.Context) bool {
	select {
	case <-w.service.closed:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// Close ends the following.
func (w *Watcher) Close() {
	w.stop()
	w.beat.Stop()
	w.service.leave(w.accountID, w.caller)
}
