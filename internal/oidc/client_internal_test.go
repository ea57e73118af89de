package oidc

import "testing"

func TestAPI10KeysAreReadOverHTTPSOrFromThisMachine(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"https://id.example/keys": true, "http://localhost:1/keys": true, "http://127.0.0.1/keys": true, "http://[::1]:1/keys": true,
		"http://id.example/keys": false, "http://127.0.0.1.example/": false, "http://localhost.example/": false, "http://10.0.0.1/": false,
		"http://0.0.0.0/": false, "ftp://localhost/": false, "file:///etc/passwd": false, "/keys": false, "": false, "https:///keys": false,
	} {
		if got := private(address) == nil; got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
}
