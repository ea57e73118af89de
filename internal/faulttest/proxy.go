package faulttest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"sync"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxy is a TCP connection in between, which can be made slow, narrow or treacherous, cut, and mended.
type Proxy struct {
	// Address is where it listens, host:port.
	Address string

	tb    testing.TB
	proxy *toxiproxy.Proxy
	mu    sync.Mutex // of cut and mended
	cut   bool
}

// Toxic is one way to misbehave, as toxiproxy describes it.
type Toxic struct {
	Name string `json:"name"`
	// Type is latency, bandwidth, slow_close, timeout, reset_peer, slicer or limit_data.
	Type string `json:"type"`
	// Stream is "upstream" for what the program sends and "downstream" for what it receives.
	Stream     string         `json:"stream"`
	Toxicity   float32        `json:"toxicity"` // the share of connections; 1 is all
	Attributes map[string]any `json:"attributes"`
}

// NewProxy starts a proxy in front of upstream, host:port. It ends with the test.
func NewProxy(tb testing.TB, upstream string) *Proxy {
	tb.Helper()
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &Proxy{tb: tb, proxy: toxiproxy.NewProxy(api, "proxy", "127.0.0.1:0", upstream)}
	if err := p.proxy.Start(); err != nil {
		tb.Fatalf("start a proxy: %v", err)
	}
	p.Address = p.proxy.Listen
	tb.Cleanup(p.Cut)
	return p
}

// Before starts a proxy in front of what a URL leads to, and returns the URL that leads through the proxy.
func Before(tb testing.TB, upstreamURL string) (p *Proxy, proxied string) {
	tb.Helper()
	u, err := url.Parse(upstreamURL)
	if err != nil {
		tb.Fatal(err)
	}
	p = NewProxy(tb, u.Host)
	u.Host = p.Address
	return p, u.String()
}

// Add adds a toxic to all connections, also to those that exist.
func (p *Proxy) Add(t Toxic) {
	p.tb.Helper()
	text, err := json.Marshal(t)
	if err != nil {
		p.tb.Fatal(err)
	}
	if _, err := p.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		p.tb.Fatalf("add the toxic %s: %v", t.Name, err)
	}
}

// Remove takes a toxic away.
func (p *Proxy) Remove(name string) {
	p.tb.Helper()
	if err := p.proxy.Toxics.RemoveToxic(context.WithoutCancel(p.tb.Context()), name); err != nil {
		p.tb.Fatalf("remove the toxic %s: %v", name, err)
	}
}

// Cut closes all connections and refuses new ones.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.cut {
		p.proxy.Stop()
		p.cut = true
	}
}

// Restore lets new connections through again, at the same address.
func (p *Proxy) Restore() {
	p.tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.cut {
		return
	}
	if err := p.proxy.Start(); err != nil {
		p.tb.Fatalf("start the proxy again: %v", err)
	}
	p.cut = false
}
