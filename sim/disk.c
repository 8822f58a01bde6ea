/* Faults of a disk, in the words of the store in memory. */
#include "disk.h"

#include "base/err.h"

int sim_disk_init(struct sim_disk *disk, uint32_t mean_us)
{
    *disk = (struct sim_disk){.mean_us = mean_us};
    return memory_store_new(&disk->store);
}

void sim_disk_fini(struct sim_disk *disk)
{
    memory_store_free(disk->store);
    disk->store = NULL;
}

void sim_disk_set_fault(struct sim_disk *disk, enum sim_disk_fault fault)
{
    static const int errors[] = {[SIM_DISK_GOOD] = 0, [SIM_DISK_FULL] = ERR_NO_SPACE, [SIM_DISK_READ_ONLY] = ERR_IO};
    memory_store_refuse(disk->store, errors[fault]);
}

void sim_disk_fail_next(struct sim_disk *disk, unsigned transactions)
{
    memory_store_fail(disk->store, transactions, ERR_IO);
}

void sim_disk_turn(struct sim_disk *disk)
{
    disk->turning = false;
    disk->turns++;
    memory_store_turn(disk->store);
}

void sim_disk_crash(struct sim_disk *disk)
{
    memory_store_fail(disk->store, SIZE_MAX, ERR_IO);
    for (unsigned i = 0; memory_store_waits(disk->store) && i < SIM_DISK_LAST_TURNS; i++)
        memory_store_turn(disk->store);
    memory_store_fail(disk->store, 0, 0);
    memory_store_crash(disk->store);
    disk->turning = false;
}

void sim_disk_sync(struct sim_disk *disk)
{
    for (unsigned i = 0; memory_store_waits(disk->store) && i < SIM_DISK_LAST_TURNS; i++)
        memory_store_turn(disk->store);
    memory_store_crash(disk->store);
    disk->turning = false;
}
