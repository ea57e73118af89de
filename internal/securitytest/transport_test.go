package securitytest_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/contract"
	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/securitytest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// exchange is what is written on a connection, and what has to come back: for each answer its status, followed by the code of a problem.
type exchange struct {
	sent string
	want string
	// closed tells that the server has to close the connection after these answers, whatever else was sent.
	closed bool
	// cut tells that the client stops in the middle of what it sends.
	cut bool
}

// exchanges are requests that a well-behaved client does not send. TOKEN stands for a token.
func exchanges() map[string]exchange {
	const (
		auth   = "Authorization: Bearer TOKEN\r\n"
		host   = "Host: localhost\r\n" + auth
		me     = "GET /api/v1/me HTTP/1.1\r\n" + host
		post   = "POST /api/v1/syncs HTTP/1.1\r\n" + host + "Content-Type: application/json\r\n"
		kind   = `{"kind":"manual"}` // 17 bytes
		chunks = "11\r\n" + kind + "\r\n0\r\n\r\n"
		second = "DELETE /api/v1/integrations/itglue?confirm=true HTTP/1.1\r\n" + host + "\r\n"
		not    = "400 malformed-request"
	)
	filler := func(n int) string { return "X-Filler: " + strings.Repeat("a", n) + "\r\n" }
	return map[string]exchange{
		"HTTP/1.0":                    {sent: "GET /api/v1/me HTTP/1.0\r\n" + host + "\r\n", want: "200", closed: true},
		"HTTP/1.0 without a host":     {sent: "GET /api/v1/me HTTP/1.0\r\n" + auth + "\r\n", want: "200", closed: true},
		"HTTP/0.9":                    {sent: "GET /api/v1/me\r\n\r\n", want: not, closed: true},
		"HTTP/2.0":                    {sent: "GET /api/v1/me HTTP/2.0\r\n" + host + "\r\n", want: not, closed: true},
		"HTTP/9.9":                    {sent: "GET /api/v1/me HTTP/9.9\r\n" + host + "\r\n", want: not, closed: true},
		"preface of HTTP/2":           {sent: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", want: "404 not-found", closed: true},
		"TLS":                         {sent: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", want: not, closed: true},
		"binary":                      {sent: "\x00\x01\x02\xff\r\n\r\n", want: not, closed: true},
		"upgrade to h2c":              {sent: me + "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n\r\n", want: "200"},
		"upgrade to a web socket":     {sent: me + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AA==\r\n\r\n", want: "200"},
		"no host":                     {sent: "GET /api/v1/me HTTP/1.1\r\n" + auth + "\r\n", want: not, closed: true},
		"two hosts":                   {sent: me + "Host: evil.example\r\n\r\n", want: not, closed: true},
		"host of bad characters":      {sent: "GET /api/v1/me HTTP/1.1\r\nHost: a b\r\n" + auth + "\r\n", want: not, closed: true},
		"host of an attacker":         {sent: "GET /api/v1/me HTTP/1.1\r\nHost: evil.example:99\r\n" + auth + "\r\n", want: "200"},
		"absolute form":               {sent: "GET http://evil.example/api/v1/me HTTP/1.1\r\n" + host + "\r\n", want: "200"},
		"absolute form, nowhere":      {sent: "GET http://evil.example HTTP/1.1\r\n" + host + "\r\n", want: "404 not-found"},
		"asterisk":                    {sent: "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", want: "404 not-found"},
		"asterisk to read":            {sent: "GET * HTTP/1.1\r\n" + host + "\r\n", want: "404 not-found"},
		"CONNECT":                     {sent: "CONNECT evil.example:443 HTTP/1.1\r\n" + host + "\r\n", want: "404 not-found"},
		"CONNECT to a path":           {sent: "CONNECT /api/v1/me HTTP/1.1\r\n" + host + "\r\n", want: "405 method-not-allowed"},
		"TRACE":                       {sent: "TRACE /api/v1/me HTTP/1.1\r\n" + host + "\r\n", want: "405 method-not-allowed"},
		"OPTIONS":                     {sent: "OPTIONS /api/v1/me HTTP/1.1\r\n" + host + "\r\n", want: "204"},
		"method in lower case":        {sent: "get /api/v1/me HTTP/1.1\r\n" + host + "\r\n", want: "405 method-not-allowed"},
		"method of bad characters":    {sent: "GE\"T /api/v1/me HTTP/1.1\r\n" + host + "\r\n", want: not, closed: true},
		"no path":                     {sent: "GET HTTP/1.1\r\n" + host + "\r\n", want: not, closed: true},
		"two spaces":                  {sent: "GET  /api/v1/me HTTP/1.1\r\n" + host + "\r\n", want: not, closed: true},
		"broken escape":               {sent: "GET /api/v1/%zz HTTP/1.1\r\n" + host + "\r\n", want: not, closed: true},
		"escaped letter":              {sent: "GET /api/v1/%6de HTTP/1.1\r\n" + host + "\r\n", want: "404 not-found"},
		"escaped NUL":                 {sent: "GET /api/v1/me%00 HTTP/1.1\r\n" + host + "\r\n", want: "404 not-found"},
		"NUL in the path":             {sent: "GET /api/v1/me\x00 HTTP/1.1\r\n" + host + "\r\n", want: not, closed: true},
		"bytes above ASCII in a path": {sent: "GET /api/v1/m\xe9 HTTP/1.1\r\n" + host + "\r\n", want: "404 not-found"},
		"backslashes":                 {sent: "GET /api\\v1\\me HTTP/1.1\r\n" + host + "\r\n", want: "404 not-found"},
		"path of its parent":          {sent: "GET /api/v1/../v1/me HTTP/1.1\r\n" + host + "\r\n", want: "404 not-found"},
		"path parameter":              {sent: "GET /api/v1/me;jsessionid=1 HTTP/1.1\r\n" + host + "\r\n", want: "404 not-found"},
		"space before the colon":      {sent: "GET /api/v1/me HTTP/1.1\r\nHost: a\r\nAuthorization : Bearer TOKEN\r\n\r\n", want: not, closed: true},
		"header without a name":       {sent: me + ": x\r\n\r\n", want: not, closed: true},
		"header of bad characters":    {sent: me + "X(Y): z\r\n\r\n", want: not, closed: true},
		"NUL in a header":             {sent: me + "X-A: a\x00b\r\n\r\n", want: not, closed: true},
		"folded first header":         {sent: "GET /api/v1/me HTTP/1.1\r\n " + host + "\r\n", want: not, closed: true},
		"line ends without CR":        {sent: strings.ReplaceAll(me+"\r\n", "\r", ""), want: "200"},
		"token sent twice":            {sent: me + auth + "\r\n", want: "401 unauthenticated"},
		"headers above 32 KiB":        {sent: me + filler(33<<10) + "\r\n", want: "431 headers-too-large"},
		"headers of 200 KiB":          {sent: me + strings.Repeat(filler(1000), 200) + "\r\n", want: "431 headers-too-large", closed: true},
		"one header of 200 KiB":       {sent: me + filler(200<<10) + "\r\n", want: "431 headers-too-large", closed: true},
		"address of 9 KiB":            {sent: "GET /" + strings.Repeat("a", 9<<10) + " HTTP/1.1\r\n" + host + "\r\n", want: "414 uri-too-long"},
		"address of 30 KiB":           {sent: "GET /?" + strings.Repeat("a", 30<<10) + " HTTP/1.1\r\n" + host + "\r\n", want: "414 uri-too-long"},
		"address of 200 KiB":          {sent: "GET /?" + strings.Repeat("a", 200<<10) + " HTTP/1.1\r\n" + host + "\r\n", want: "431 headers-too-large", closed: true},
		"range of JSON":               {sent: me + "Range: bytes=0-3\r\n\r\n", want: "200"},
		"body where there is none":    {sent: me + "Content-Length: 2\r\n\r\n{}", want: "422 validation-failed"},
		"pipelined":                   {sent: strings.Repeat(me+"\r\n", 3), want: "200, 200, 200"},
		"expects to be told to go on": {sent: post + "Expect: 100-continue\r\nContent-Length: 17\r\n\r\n" + kind, want: "100, 409 not-connected"},
		"expects it without a token":  {sent: strings.ReplaceAll(post, auth, "") + "Expect: 100-continue\r\nContent-Length: 17\r\n\r\n", want: "401 unauthenticated", closed: true},
		"expects something else":      {sent: post + "Expect: the-unexpected\r\nContent-Length: 17\r\n\r\n" + kind, want: not, closed: true},
		"gzip":                        {sent: post + "Content-Encoding: gzip\r\nContent-Length: 17\r\n\r\n" + kind, want: "415 unsupported-media-type"},
		"chunks":                      {sent: post + "Transfer-Encoding: chunked\r\n\r\n" + chunks, want: "409 not-connected", closed: true},
		"request behind chunks":       {sent: post + "Transfer-Encoding: chunked\r\n\r\n" + chunks + second, want: "409 not-connected", closed: true},
		"chunks and a length": {
			sent: post + "Transfer-Encoding: chunked\r\nContent-Length: 400\r\n\r\n" + chunks + second, want: "409 not-connected", closed: true,
		},
		"chunks and a short length": {
			sent: post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + second, want: "409 not-connected", closed: true,
		},
		"chunks and a length in HTTP/1.0": {
			sent: strings.Replace(post, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\nContent-Length: 17\r\n\r\n" + kind + second,
			want: "409 not-connected", closed: true,
		},
		"encoding of nobody":     {sent: post + "Transfer-Encoding: xchunked\r\n\r\n" + chunks, want: not, closed: true},
		"encoding in vain":       {sent: post + "Transfer-Encoding: identity\r\n\r\n" + chunks, want: not, closed: true},
		"two encodings":          {sent: post + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunks, want: not, closed: true},
		"encoding twice":         {sent: post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, want: not, closed: true},
		"encoding with a tab":    {sent: post + "Transfer-Encoding: chunked\r\nTransfer-Encoding:\tidentity\r\n\r\n" + chunks, want: not, closed: true},
		"chunk size of letters":  {sent: post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + kind + "\r\n0\r\n\r\n", want: "400 malformed-body", closed: true},
		"chunk size below zero":  {sent: post + "Transfer-Encoding: chunked\r\n\r\n-11\r\n" + kind + "\r\n0\r\n\r\n", want: "400 malformed-body", closed: true},
		"chunk size beyond all":  {sent: post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + kind, want: "400 malformed-body", closed: true, cut: true},
		"chunk size of C":        {sent: post + "Transfer-Encoding: chunked\r\n\r\n0x11\r\n" + kind + "\r\n0\r\n\r\n", want: "400 malformed-body", closed: true},
		"chunk too short":        {sent: post + "Transfer-Encoding: chunked\r\n\r\n10\r\n" + kind + "\r\n0\r\n\r\n", want: "400 malformed-body", closed: true, cut: true},
		"chunks without an end":  {sent: post + "Transfer-Encoding: chunked\r\n\r\n11\r\n" + kind + "\r\n", want: "400 malformed-body", closed: true, cut: true},
		"length of letters":      {sent: post + "Content-Length: ten\r\n\r\n" + kind, want: not, closed: true},
		"length below zero":      {sent: post + "Content-Length: -1\r\n\r\n" + kind, want: not, closed: true},
		"length with a sign":     {sent: post + "Content-Length: +17\r\n\r\n" + kind, want: not, closed: true},
		"two lengths":            {sent: post + "Content-Length: 17\r\nContent-Length: 4\r\n\r\n" + kind, want: not, closed: true},
		"two lengths in one":     {sent: post + "Content-Length: 17, 4\r\n\r\n" + kind, want: not, closed: true},
		"length beyond all":      {sent: post + "Content-Length: 9223372036854775808\r\n\r\n" + kind, want: not, closed: true},
		"length of 10 GB":        {sent: post + "Content-Length: 10000000000\r\n\r\n" + kind, want: "413 payload-too-large", closed: true},
		"less than the length":   {sent: post + "Content-Length: 18\r\n\r\n" + kind, want: "400 malformed-body", closed: true, cut: true},
		"more than the length":   {sent: post + "Content-Length: 17\r\n\r\n" + kind + "}}\r\n\r\n", want: "409 not-connected, " + not, closed: true},
		"nothing":                {sent: "", want: "", closed: true, cut: true},
		"only line ends":         {sent: "\r\n\r\n\r\n\r\n", want: not, closed: true, cut: true},
		"half a line":            {sent: "GET /api/v1/", want: not, closed: true, cut: true},
		"half a set of headers":  {sent: "GET /api/v1/me HTTP/1.1\r\nHost: a\r\n", want: not, closed: true, cut: true},
		"token in the address":   {sent: "GET /api/v1/me?access_token=TOKEN HTTP/1.1\r\nHost: a\r\n\r\n", want: "401 unauthenticated"},
		"token in a cookie":      {sent: "GET /api/v1/me HTTP/1.1\r\nHost: a\r\nCookie: token=TOKEN; Authorization=Bearer TOKEN\r\n\r\n", want: "401 unauthenticated"},
		"method override":        {sent: "GET /api/v1/integrations/itglue HTTP/1.1\r\n" + host + "X-HTTP-Method-Override: DELETE\r\nX-Original-URL: /api/v1/me\r\n\r\n", want: "200"},
		"forwarded for somebody": {sent: "GET /api/v1/me HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: evil.example\r\nForwarded: for=127.0.0.1\r\n\r\n", want: "401 unauthenticated"},
	}
}

// TestAPI8WhatIsNotHTTPIsAnsweredAsAProblem writes odd requests on connections to the real program.
func TestAPI8WhatIsNotHTTPIsAnsweredAsAProblem(t *testing.T) {
	t.Parallel()
	site := e2e.NewSite(t, storetest.SQLiteURL(t))
	server, token := site.Serve(), site.NewAccount()
	document := load(t, server)
	for name, x := range exchanges() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := securitytest.Dial(t, server.Address)
			w.Send(strings.ReplaceAll(x.sent, "TOKEN", token))
			if x.cut {
				_ = w.CloseWrite()
			}
			answers, closed := w.Answers(strings.Count(x.want, ",") + 1)
			if x.closed && !closed {
				var more []contract.Answer
				more, closed = w.Answers(1)
				answers = append(answers, more...)
			}
			got := make([]string, 0, len(answers))
			for _, a := range answers {
				got = append(got, outcome(t, document, a, token))
			}
			if strings.Join(got, ", ") != x.want || closed != x.closed {
				t.Errorf("answered %q (closed: %v), want %q (%v)", got, closed, x.want, x.closed)
			}
		})
	}
}

// outcome is the status of an answer, and the code if it is a problem. It checks what must hold for every answer.
func outcome(t *testing.T, document *contract.Contract, a contract.Answer, token string) string {
	t.Helper()
	if strings.Contains(a.Body, token) || strings.Contains(a.Body, "evil") || a.Header.Get("Location") != "" {
		t.Errorf("the answer repeats what it was sent: %s %v", a.Body, a.Header)
	}
	if a.Status < 200 {
		return strconv.Itoa(a.Status)
	}
	if a.Header.Get("X-Request-ID") == "" || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers of an answer %d are missing: %v", a.Status, a.Header)
	}
	if a.Status < 400 {
		return strconv.Itoa(a.Status)
	}
	if err := document.CheckUndescribed(httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), a); err != nil {
		t.Errorf("%d %s is no problem: %v", a.Status, a.Body, err)
	}
	var problem struct {
		Code      string `json:"code"`
		RequestID string `json:"requestId"`
		Status    int    `json:"status"`
	}
	if err := json.Unmarshal([]byte(a.Body), &problem); err != nil {
		t.Error(err)
	}
	if problem.Status != a.Status || problem.RequestID != a.Header.Get("X-Request-ID") {
		t.Errorf("%d %v is told as %s", a.Status, a.Header, a.Body)
	}
	return fmt.Sprintf("%d %s", a.Status, problem.Code)
}

// load reads the document that a server serves.
func load(t *testing.T, server *e2e.Server) *contract.Contract {
	t.Helper()
	status, text := e2e.Client{T: t, Base: server.Address}.Do("GET", "/openapi.json", nil)
	if status != 200 {
		t.Fatalf("the document is answered with %d", status)
	}
	document, err := contract.Load(text)
	if err != nil {
		t.Fatal(err)
	}
	return document
}
