/* Rows of a further Node-ID: a view of the server's store in which the tables of reload are this node's own. What it puts lies in tables for
 * all further nodes, behind a first octet that is the node's number; the tables of node 0 stay as they are in every database. */
#ifndef SERVER_NODE_ROWS_H
#define SERVER_NODE_ROWS_H

#include "base/kv.h"

struct node_rows {
    struct kv kv; /* the view: hand this out. Tables other than reload's are refused: ERR_WRONG_STATE */
    const struct kv *under;
    uint8_t number;
};

/* `under` must outlive the view; the view must not move. */
void node_rows_init(struct node_rows *rows, const struct kv *under, uint8_t number);

/* Removes everything of this node; the commit is the caller's. */
int node_rows_clear(struct node_rows *rows);

#endif
