package securitytest_test

import (
	"os"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }
