package oidc

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// fetchTimeout is for one request to the provider, its body included.
	fetchTimeout = 5 * time.Second
	maxRedirects = 3
	maxBody      = 1 << 20
)

// newClient returns a client that stays with the host that it is sent to, waits for so long, and reads so much.
func newClient() *http.Client {
	return &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: stay,
		Transport: capped{&http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    fetchTimeout,
			IdleConnTimeout:        10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		}},
	}
}

// stay follows redirects on the same host only.
func stay(next *http.Request, before []*http.Request) error {
	from := before[len(before)-1].URL
	if next.URL.Scheme != from.Scheme || next.URL.Host != from.Host || len(before) > maxRedirects {
		return fmt.Errorf("redirected to %s", next.URL.Host)
	}
	return nil
}

// capped ends answers that are too large with an error.
type capped struct{ http.RoundTripper }

func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = http.MaxBytesReader(nil, response.Body, maxBody)
	return response, nil
}

// private checks that nobody can change on the way what is read from the address.
func private(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return errors.New("not an address")
	}
	local := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return errors.New("not https")
	}
	return nil
}
