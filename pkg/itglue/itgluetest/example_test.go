package itgluetest_test

import (
	"context"
	"fmt"

	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func Example() {
	server, err := itgluetest.Start(itgluetest.WithKey("ITG.example"))
	if err != nil {
		panic(err)
	}
	defer server.Close()

	id := server.Add(itgluetest.Organization{Name: "Happy Frog", Domains: []string{"happyfrog.example"}})[0]
	server.Rename(id, "Happy Frog, Inc.")

	client, err := itglue.New(itglue.Config{BaseURL: server.URL, APIKey: "ITG.example"})
	if err != nil {
		panic(err)
	}
	defer client.CloseIdleConnections()

	organization, err := client.Organization(context.Background(), id)
	fmt.Println(organization.Name, err)

	remove := server.Inject(itgluetest.Fault{Kind: itgluetest.FaultHTML, Path: "/organizations/*"})

	_, err = client.Organization(context.Background(), id)
	fmt.Println(itglue.KindOf(err))

	remove()

	for _, call := range server.Calls() {
		fmt.Println(call.Method, call.Path == "/organizations/"+id, call.Status)
	}

	// Output:
	// Happy Frog, Inc. <nil>
	// malformed
	// GET true 200
	// GET true 200
}
