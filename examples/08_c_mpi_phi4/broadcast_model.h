/* One rank reads the model file and gives it to the others. */
#ifndef BROADCAST_MODEL_H
#define BROADCAST_MODEL_H

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <mpi.h>
#include <stoq.h>

/* Whether something is true on all ranks. */
static int everywhere(int here)
{
    int all = 0;
    MPI_Allreduce(&here, &all, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD);
    return all;
}

/* The bytes of a file, or NULL. */
static char *read_file(const char *path, int *length)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long size = 0;
    if (!file) return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) > 0 && size <= INT_MAX && fseek(file, 0, SEEK_SET) == 0
        && (bytes = malloc((size_t)size)) && fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        free(bytes);
        bytes = NULL;
    }
    fclose(file);
    *length = (int)size;
    return bytes;
}

/* stoq: a thousand ranks that open one file are no friends of a file system: rank 0 reads it, the others get it from
 * memory. Returns the status of stoq_model_from_memory(). */
static stoq_status_t broadcast_model(const char *path, stoq_model_t **model)
{
    int rank, length = 0;
    char *bytes = NULL;
    stoq_status_t status;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0 && !(bytes = read_file(path, &length))) {
        fprintf(stderr, "cannot read %s\n", path);
        length = 0;
    }
    MPI_Bcast(&length, 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (length > 0 && rank != 0) bytes = malloc((size_t)length);
    if (!everywhere(bytes != NULL)) {
        free(bytes);
        return STOQ_IO;
    }
    MPI_Bcast(bytes, length, MPI_BYTE, 0, MPI_COMM_WORLD);
    status = stoq_model_from_memory(bytes, (size_t)length, model);
    free(bytes);
    return status;
}

#endif
