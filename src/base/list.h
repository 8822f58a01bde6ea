/* Intrusive doubly-linked list: the link sits in the element, the list owns nothing. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Both the head and a single unlinked element. */
static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_append(struct list *head, struct list *element)
{
    element->prev = head->prev;
    element->next = head;
    head->prev->next = element;
    head->prev = element;
}

static inline void list_prepend(struct list *head, struct list *element)
{
    list_append(head->next, element);
}

/* Leaves the element initialized: removing it again is harmless. */
static inline void list_remove(struct list *element)
{
    element->next->prev = element->prev;
    element->prev->next = element->next;
    list_init(element);
}

/* The first element, unlinked, or NULL. */
static inline struct list *list_pop(struct list *head)
{
    struct list *first = head->next;
    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}

/* The body may remove the current element. */
#define LIST_EACH(it, head) \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)

#endif
